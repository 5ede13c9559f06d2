"""Every property starts from a clean slate: no deadline on a shared machine, and the failing example is printed."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "pacslab",
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("pacslab")
