// A reader in the room that ends with exactly the record; docs/history.md says by which rule.
import { type Room, RoomEvent } from "livekit-client";

type Item = { session: string; seq: number; type: string; part?: number; [field: string]: unknown };

export class Record {
  session = "";
  after = 0; // everything up to this number is in `items`
  items = new Map<number, Item>();
  private asking = Promise.resolve();

  /** Call it for each connection, with the same record. */
  follow(room: Room): void {
    room.on(RoomEvent.DataReceived, (data, _participant, _kind, topic) => {
      if (topic !== "transcript") return;
      const item = JSON.parse(new TextDecoder().decode(data));
      if (item.seq === null) return; // an interim: show it, but it is not in the record
      this.take(item);
      if (item.seq > this.after || item.part) this.ask(room);
    });
    for (const event of [RoomEvent.Connected, RoomEvent.Reconnected, RoomEvent.ParticipantConnected] as const)
      room.on(event, () => this.ask(room));
    this.ask(room);
  }

  private take(item: Item): void {
    if (item.session !== this.session) { // the room lives anew, and counts anew
      this.session = item.session;
      this.after = 0;
      this.items.clear();
    }
    if (item.part) return;
    this.items.set(item.seq, item);
    if (item.seq === this.after + 1) this.after = item.seq;
  }

  private ask(room: Room): void {
    this.asking = this.asking.then(() => this.catchUp(room)).catch((error) => {
      console.warn("the transcriber was asked for history:", error);
      if (room.state === "connected") setTimeout(() => this.ask(room), 1000); // it has left: another one is coming
    });
  }

  private async catchUp(room: Room): Promise<void> {
    const people = [...room.remoteParticipants.keys()];
    const destinationIdentity = people.find((one) => one.startsWith("agent-transcriber-"));
    if (!destinationIdentity) return; // when it comes, it is asked
    for (let more = true; more; ) {
      const payload = JSON.stringify({ after: this.after });
      const answer = await room.localParticipant.performRpc({
        destinationIdentity, method: "transcript.history", payload,
      });
      const reply = JSON.parse(answer) as { items: Item[]; last: number; more: boolean };
      reply.items.forEach((item) => this.take(item));
      this.after = Math.max(this.after, reply.last);
      more = reply.more;
    }
  }
}
