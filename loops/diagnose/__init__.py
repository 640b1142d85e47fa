"""Why a user's own training step departs from fit(): located exactly, explained by counterfactual replay."""
