package httpserver

import (
	"net"
	"net/netip"

	"github.com/prometheus/client_golang/prometheus"
)

// Admit sets a check of the address of each new connection. The server resets a connection whose address the check
// refuses, which costs a fraction of an answer. Call Admit before Run.
func (s *Server) Admit(check func(netip.Addr) bool) { s.admit = check }

// admissions is a listener that resets the connections which admit refuses.
type admissions struct {
	net.Listener
	admit   func(netip.Addr) bool
	refused prometheus.Counter
}

func newAdmissions(l net.Listener, admit func(netip.Addr) bool, reg prometheus.Registerer) *admissions {
	refused := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "http_refused_connections_total",
		Help: "Connections that were reset, because their address had opened too many.",
	})
	reg.MustRegister(refused)
	return &admissions{l, admit, refused}
}

// Accept implements net.Listener.
func (a *admissions) Accept() (net.Conn, error) {
	for {
		c, err := a.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tcp, ok := c.(*net.TCPConn)
		if !ok || a.admit(tcp.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()) {
			return c, nil
		}
		a.refused.Inc()
		_ = tcp.SetLinger(0) // a reset leaves no socket in TIME_WAIT
		_ = tcp.Close()
	}
}
