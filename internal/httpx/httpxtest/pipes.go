package httpxtest

import "net"

// Pipes is a listener for connections in memory, which use the time of a synctest bubble. A test sends it the server's
// ends of net.Pipe.
type Pipes chan net.Conn

// Accept implements net.Listener.
func (p Pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

// Close implements net.Listener.
func (p Pipes) Close() error {
	close(p)
	return nil
}

// Addr implements net.Listener. The address is for documentation (RFC 5737).
func (Pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)} }
