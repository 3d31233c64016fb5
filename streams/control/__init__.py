"""The control plane: synchronous parts that are told what happened, and `app`, their thin faust shell."""
