package wire

import (
	"net"

	"golang.org/x/sys/unix"
)

// boundStall ends a connection whose peer acknowledges nothing for too long.
// Keepalive alone does not see that while there is data on its way.
func boundStall(raw net.Conn) {
	tcp, ok := raw.(*net.TCPConn)
	if !ok {
		return
	}
	if c, err := tcp.SyscallConn(); err == nil {
		// Without it the kernel's own, longer timeout applies.
		c.Control(func(fd uintptr) {
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(stall.Milliseconds()))
		})
	}
}
