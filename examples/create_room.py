"""Make a room for an interview, and a token for each of the two; the transcriber comes by itself.

    python examples/create_room.py

SERVICE_URL is where `token_service.py` listens, API_KEY its key if it has one.
"""

import os

import httpx

SERVICE = os.environ.get("SERVICE_URL", "http://127.0.0.1:8000")


def main() -> None:
    key = os.environ.get("API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=SERVICE, headers=headers, timeout=10) as service:
        answer = service.post("/rooms/create", json={"max_participants": 4})
        if answer.is_error:
            raise SystemExit(f"the service refused: {answer.text}")
        room = answer.json()
        print(f"room: {room['name']}")
        print(f"join at {room['url']} with these tokens:")
        print(f"interviewer: {room['interviewer_token']}")
        print(f"candidate: {room['candidate_token']}")

        token = service.post(
            "/tokens/generate",
            json={
                "room_name": room["name"],
                "participant_identity": "silent-observer",
                "participant_name": "Someone who is not to be transcribed",
                "transcribe": False,
            },
        ).json()
        print(f"observer: {token['token']}")


if __name__ == "__main__":
    main()
