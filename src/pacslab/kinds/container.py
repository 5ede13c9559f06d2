"""A machine of the writer's own: any image the engine has, listening as the zone file says."""

from __future__ import annotations

from pacslab.kinds.kind import Kind, Parts, Seat, SettingSpec, tls_files


def _parts(seat: Seat) -> Parts:
    node = seat.node
    (image,) = node.setting("image")
    pairs = (text.partition("=") for text in node.setting("environment"))
    return Parts(
        files=tls_files(node) if seat.speaks_tls else (),
        image=image,
        user="".join(node.setting("user")),
        command=node.setting("command"),
        environment=tuple((name, value) for name, _, value in pairs),
    )


KIND = Kind(
    name="container",
    title="a container of your own",
    image="",
    services=lambda _: (),
    parts=_parts,
    settings=(
        SettingSpec("image", "an image that the engine has", required=True, example="example/viewer:1.4"),
        SettingSpec("command", "what to run in place of the image's own", many=True, example="[viewer, --port, '80']"),
        SettingSpec("environment", "its variables, `NAME: value`", pairs=True, example="{LOG_LEVEL: info}"),
        SettingSpec("user", "who runs it: `uid` or `uid:gid`; the image's own unless written", example="1000:1000"),
    ),
    takes_ae_title=True,
    checks_revocation=False,  # nobody knows
    serves_anything=True,
)
