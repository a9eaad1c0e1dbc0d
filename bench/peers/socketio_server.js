// The same with Socket.IO: io.to(room).emit() at every change.
const { Server } = require("socket.io");
const io = new Server(Number(process.argv[2]), { transports: ["websocket"] });
io.on("connection", (socket) => {
  const { auction } = socket.handshake.query;
  const tell = () => io.to(auction).emit("viewerCountUpdate", io.sockets.adapter.rooms.get(auction)?.size ?? 0);
  socket.join(auction);
  tell();
  socket.on("disconnect", tell);
});
