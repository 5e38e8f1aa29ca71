package logapi_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"haberdash/internal/commitlog/logapi"
	"haberdash/internal/contract"
	"haberdash/internal/fault"
	"haberdash/internal/httpx"
	"haberdash/internal/sidecar"
	"haberdash/internal/sidecar/memory"
)

type fakeAuditor struct {
	name string
	err  error
}

func (a *fakeAuditor) Audit(context.Context) (contract.Audit, error) {
	return contract.Audit{Log: a.name, Differences: []contract.Difference{}}, a.err
}

func TestAuditsAreReportedInTheirOrder(t *testing.T) {
	t.Parallel()
	mesh := memory.NewMesh()
	one, two := &fakeAuditor{name: "one"}, &fakeAuditor{name: "two"}
	logapi.MountAudit(httpx.NewAPI(joinMesh(mesh, "orders"), "test"), one, two)
	var got contract.Audits
	call := func() error {
		return sidecar.Call(t.Context(), mesh, "orders", http.MethodPost, "/internal/audit", nil, nil, &got)
	}
	require.NoError(t, call())
	want := contract.Audits{Audits: []contract.Audit{
		{Log: "one", Differences: []contract.Difference{}},
		{Log: "two", Differences: []contract.Difference{}},
	}}
	assert.Equal(t, want, got)
	two.err = sidecar.StoreUnavailable(errors.New("disk on fire"))
	assert.True(t, fault.Is(call(), "unavailable"))
}
