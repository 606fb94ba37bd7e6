"""One module per change, in order; none is ever edited after a release."""
