"""aiohttp's server under wrk: wall time per request."""

from __future__ import annotations

from measure import SECONDS, Bench, Figures, Group

group = Group(pinned=True)


def add(connections: int) -> None:
    name = f"aiohttp, {connections} connection{'' if connections == 1 else 's'}"

    @group.figures(name, {name: SECONDS})
    async def http(bench: Bench) -> Figures:
        from aiohttp import web  # here: only this process needs it

        async def hello(_request: web.Request) -> web.Response:
            return web.Response(text="Hello, world")

        app = web.Application()
        app.router.add_get("/", hello)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        url = f"http://{host}:{port}/"
        seconds = 1 if bench.quick else 2
        if not bench.quick:  # warm up
            await bench.ask("http", url=url, connections=connections, seconds=1)
        answer = await bench.ask("http", url=url, connections=connections, seconds=seconds)
        await runner.cleanup()
        return {name: answer["seconds"]}


for number in (1, 64):
    add(number)
