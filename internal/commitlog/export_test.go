package commitlog

import (
	"context"
	"time"

	"haberdash/internal/contract"
)

// Poll asks each log's head once, as Run does now and then.
func (c *Consumer) Poll(ctx context.Context) { c.pollAll(ctx) }

// AuditHolding audits with so many documents at once.
func (p *Partition[S]) AuditHolding(ctx context.Context, n int) (contract.Audit, error) {
	return p.audit(ctx, n, time.Millisecond)
}

// AuditHolding audits with so many documents at once.
func (v *Projection) AuditHolding(ctx context.Context, n int) (contract.Audit, error) {
	return v.audit(ctx, n, time.Millisecond)
}

// Store stores the cursors that have moved, as Run does now and then.
func (c *Consumer) Store(ctx context.Context) {
	for _, r := range c.all() {
		c.storeMoved(ctx, r, 0)
	}
}
