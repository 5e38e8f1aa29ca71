package commitlog

import (
	"context"
	"time"

	"haberdash/internal/contract"
)

// AuditHolding audits with so many documents at once.
func (p *Partition[S]) AuditHolding(ctx context.Context, n int) (contract.Audit, error) {
	return p.audit(ctx, n, time.Millisecond)
}

// AuditHolding audits with so many documents at once.
func (v *Projection) AuditHolding(ctx context.Context, n int) (contract.Audit, error) {
	return v.audit(ctx, n, time.Millisecond)
}
