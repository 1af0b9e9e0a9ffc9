"""A small database server for the tests: the embedded engine behind SurrealDB's own protocol.

    python rpc_server.py ADDRESS_FILE

It serves a folder beside ADDRESS_FILE on a free port of 127.0.0.1, writes ``ws://127.0.0.1:PORT``
to that file once it listens, and knows the server user root / secret. Every socket has a session
of its own, which is anonymous until it signs in, as on a real server. (A folder, because
transactions that meet in ``mem://`` are not always kept apart.)
"""

from __future__ import annotations

import asyncio
import sys
import uuid
from pathlib import Path
from typing import Any

from surrealdb.data.cbor import decode, encode
from surrealdb_embedded import AsyncEmbeddedDB
from websockets.asyncio.server import ServerConnection, serve

USER = "DEFINE USER root ON ROOT PASSWORD 'secret' ROLES OWNER"


async def main(address_file: Path) -> None:
    engine = AsyncEmbeddedDB(f"surrealkv://{address_file.with_suffix('.data')}")
    await engine.connect()
    await engine.execute(encode({"id": "0", "method": "query", "params": [USER, {}]}))

    async def answer(frame: bytes, session: uuid.UUID, socket: ServerConnection) -> None:
        message: dict[str, Any] = decode(frame)
        message["session"] = session
        await socket.send(await engine.execute(encode(message)))

    async def converse(socket: ServerConnection) -> None:
        session = uuid.uuid4()
        await engine.execute(encode({"id": "0", "method": "attach", "session": session}))
        async with asyncio.TaskGroup() as requests:
            async for frame in socket:
                requests.create_task(answer(frame, session, socket))
        await engine.execute(encode({"id": "0", "method": "detach", "session": session}))

    async with serve(converse, "127.0.0.1", 0, subprotocols=["cbor"], max_size=None) as server:
        port = server.sockets[0].getsockname()[1]
        draft = address_file.with_suffix(".tmp")
        draft.write_text(f"ws://127.0.0.1:{port}")
        draft.rename(address_file)
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
