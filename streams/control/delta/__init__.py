"""Re-interpretation: brings current samples under the plan assigned to their build, by what a release changed alone."""
