"""Why a training by a step of the user's own differs from fit(). Others use `engine` and `printing`."""
