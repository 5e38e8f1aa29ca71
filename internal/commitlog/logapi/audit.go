package logapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"haberdash/internal/contract"
	"haberdash/internal/httpx"
)

// Auditor compares documents with the log that they are made from. Every *commitlog.Partition and every
// *projection.Projection implements it.
type Auditor interface {
	Audit(ctx context.Context) (contract.Audit, error)
}

type auditsOutput struct{ Body contract.Audits }

// MountAudit serves POST /internal/audit, inside the mesh only. It runs the audits of a service's logs and projections
// one after the other, each of which reads a whole log.
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
