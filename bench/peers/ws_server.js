// What one would write first with ws: every change of a room's count to everybody in it.
const { WebSocketServer } = require("ws");
const rooms = new Map();
const server = new WebSocketServer({ port: Number(process.argv[2]), host: "127.0.0.1" });
server.on("connection", (socket, request) => {
  const auction = new URL(request.url, "http://localhost").searchParams.get("auction");
  if (!rooms.has(auction)) rooms.set(auction, new Set());
  const room = rooms.get(auction);
  const tell = () => {
    const text = JSON.stringify({ event: "viewerCountUpdate", auction, count: room.size });
    for (const viewer of room) viewer.send(text);
  };
  room.add(socket);
  tell();
  socket.on("close", () => { room.delete(socket); tell(); });
});
