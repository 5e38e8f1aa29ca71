package httpserver

import (
	"context"
	"time"
)

// RefreshReadiness keeps the gauge ready current, as Serve does, with results that are at most so old.
func (s *Server) RefreshReadiness(ctx context.Context, age time.Duration) {
	s.refreshReadiness(ctx, age)
}
