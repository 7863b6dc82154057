"""How far estimated flow is from exact flow."""
