import { describe, expect, test } from "vitest";
import { Feed, feedUrl, SILENCE_MS, type Socket } from "../src/lib/feed";

class Wire implements Socket {
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  onerror: Socket["onerror"] = null;
  closed = false;
  close(): void {
    this.closed = true;
  }
  snapshot(seq: number, live = 1): void {
    const state = { livestreams: { live } };
    this.onmessage?.({ data: JSON.stringify({ type: "snapshot", version: 1, epoch: "e", seq, as_of: "t", state }) });
  }
  delta(seq: number, live = 1): void {
    this.onmessage?.({ data: JSON.stringify({ type: "delta", seq, as_of: "t", patch: { livestreams: { live } } }) });
  }
}

class Room {
  time = 0;
  wires: Wire[] = [];
  changes = 0;
  refusals = 0;
  feed = new Feed(
    "ws://x/feed",
    {
      open: () => {
        const wire = new Wire();
        this.wires.push(wire);
        return wire;
      },
      now: () => this.time,
      refused: () => void (this.refusals += 1),
    },
    () => (this.changes += 1),
  );
  get wire(): Wire {
    return this.wires.at(-1)!;
  }
  /** Lets time pass as the page does: it tends the feed five times a second. */
  pass(ms: number): void {
    for (const end = this.time + ms; this.time < end;) {
      this.time += 200;
      this.feed.tend();
    }
  }
}

function connected(): Room {
  const room = new Room();
  room.feed.tend();
  room.wire.snapshot(41);
  return room;
}

test("a token that is none any more is told apart from a lost connection, and the picture stays", () => {
  const room = connected();
  room.wire.onclose?.({ code: 1006 });
  expect(room.refusals).toBe(0);
  room.pass(1000);
  room.wire.onclose?.({ code: 4401 });
  expect([room.refusals, room.feed.picture?.seq]).toEqual([1, 41]);
});

test("snapshot and deltas make pictures", () => {
  const room = connected();
  room.wire.delta(42, 7);
  expect(room.feed.picture?.state.livestreams?.live).toBe(7);
  expect([room.changes, room.wires.length]).toEqual([2, 1]);
});

test("a missed number closes the socket and opens another, whose snapshot is believed", () => {
  const room = connected();
  const first = room.wire;
  room.wire.delta(43);
  expect(first.closed).toBe(true);
  room.pass(1000);
  expect(room.wires.length).toBe(2);
  room.wire.snapshot(90, 5);
  expect(room.feed.picture).toMatchObject({ seq: 90, state: { livestreams: { live: 5 } } });
});

test("a delta on a new socket never continues the old picture", () => {
  const room = connected();
  room.wire.onclose?.();
  room.pass(1000);
  room.wire.delta(42, 9);
  expect(room.feed.picture?.seq).toBe(41);
});

test("silence longer than two seconds gives the socket up, and the old picture is kept", () => {
  const room = connected();
  room.pass(SILENCE_MS);
  expect(room.wires.length).toBe(1);
  room.pass(200);
  expect(room.wires[0]!.closed).toBe(true);
  expect(room.wires.length).toBe(2);
  expect(room.feed.picture?.seq).toBe(41);
  expect(room.feed.silence()).toBe(SILENCE_MS + 200);
});

test("while the server is away one attempt a second is made", () => {
  const room = connected();
  room.wire.onclose?.();
  for (let i = 0; i < 50; i += 1) {
    room.pass(200);
    if (room.wires.length > 1) room.wire.onclose?.();
  }
  expect(room.wires.length).toBe(11);
});

test("an attempt that hangs is given up", () => {
  const room = new Room();
  room.pass(3000);
  expect(room.wires[0]!.closed).toBe(true);
  expect(room.wires.length).toBe(2);
});

test("a frame of a socket that was given up changes nothing", () => {
  const room = connected();
  const old = room.wire;
  const late = old.onmessage!;
  room.pass(SILENCE_MS + 200);
  late({ data: JSON.stringify({ type: "delta", seq: 42, as_of: "t", patch: {} }) });
  expect(room.feed.picture?.seq).toBe(41);
});

describe("feedUrl", () => {
  test.each([
    ["http://127.0.0.1:8080/?lang=zh#/?theme=light", "ws://127.0.0.1:8080/feed"],
    ["https://wall.example/", "wss://wall.example/feed"],
    ["https://wall.example/monitor/", "wss://wall.example/monitor/feed"],
  ])("%s → %s", (page, url) => expect(feedUrl(page)).toBe(url));
});
