package logapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/internal/contract"
	"haberdash/internal/httpx"
)

// Auditor compares what is derived from a log with the log; every *commitlog.Partition and every
// *commitlog.Projection is one.
type Auditor interface {
	Audit(ctx context.Context) (contract.Audit, error)
}

type auditsOutput struct{ Body contract.Audits }

// MountAudit offers the audits of a service's logs and projections, one after the other: POST /internal/audit,
// inside the mesh only. It reads whole logs; nothing waits for it.
func MountAudit(api huma.API, auditors ...Auditor) {
	httpx.Register(api, huma.Operation{OperationID: "audit", Method: http.MethodPost, Path: "/internal/audit",
		Tags: []string{"Internal"}, Summary: "Compare documents with the logs they come from"},
		func(ctx context.Context, _ *struct{}) (*auditsOutput, error) {
			out := &auditsOutput{contract.Audits{Audits: []contract.Audit{}}}
			for _, a := range auditors {
				audit, err := a.Audit(ctx)
				if err != nil {
					return nil, err
				}
				out.Body.Audits = append(out.Body.Audits, audit)
			}
			return out, nil
		})
}
