//go:build !linux

package wire

import "net"

// boundStall leaves it to keepalive and the kernel's own timeout.
func boundStall(net.Conn) {}
