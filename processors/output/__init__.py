"""Files of annotated variants: TSV, Parquet, and the input VCF with its consequences in INFO."""
