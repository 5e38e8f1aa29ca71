package commitlog

import (
	"context"

	"haberdash/internal/contract"
)

// Fetch reads a source's feed: the published events of one of its logs from position from on, at most limit.
type Fetch func(ctx context.Context, source, partition string, from uint64, limit int) (contract.FeedPage, error)
