"""How well a model propagates motion from guidance, beside what needs no learning."""
