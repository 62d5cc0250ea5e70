"""The rules of the pre-review: pure functions over the facts of a claim. A rule passes, or routes to a person."""
