"""Who is in which room.

    python examples/list_participants.py

SERVICE_URL is where `token_service.py` listens, API_KEY its key if it has one.
"""

import os
from urllib.parse import quote

import httpx

SERVICE = os.environ.get("SERVICE_URL", "http://127.0.0.1:8000")


def main() -> None:
    key = os.environ.get("API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=SERVICE, headers=headers, timeout=10) as service:
        answer = service.get("/rooms")
        if answer.is_error:
            raise SystemExit(f"the service refused: {answer.text}")
        for room in answer.json():
            print(f"{room['name']}: {room['num_participants']} there")
            # a room's name may hold any character, also a slash
            people = service.get(f"/rooms/{quote(room['name'], safe='')}/participants").json()
            for person in people:
                print(f"  {person['name'] or person['identity']} ({person['identity']}), {person['state']}")


if __name__ == "__main__":
    main()
