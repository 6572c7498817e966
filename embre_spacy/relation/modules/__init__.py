"""The PyTorch modules. Importing them imports PyTorch and transformers, so it is done late."""
