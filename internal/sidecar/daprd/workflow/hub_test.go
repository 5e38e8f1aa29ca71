package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dapr/durabletask-go/api/protos"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"
)

// hub stands in for the workflow engine: it dispatches activities to one worker and counts the results.
type hub struct {
	protos.UnimplementedTaskHubSidecarServiceServer
	items    chan *protos.WorkItem
	refuse   atomic.Int64 // how many deliveries it refuses
	refused  atomic.Int64
	accepted atomic.Int64
}

// startHub starts a hub and connects to it. Both end with the test.
func startHub(t *testing.T) (*hub, *grpc.ClientConn) {
	t.Helper()
	h := &hub{items: make(chan *protos.WorkItem, 100)}
	s := grpc.NewServer()
	protos.RegisterTaskHubSidecarServiceServer(s, h)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go s.Serve(l)
	t.Cleanup(s.Stop)
	conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	return h, conn
}

// dispatch sends the activity "a" n times.
func (h *hub) dispatch(n int) {
	for i := range n {
		h.items <- &protos.WorkItem{Request: &protos.WorkItem_ActivityRequest{ActivityRequest: &protos.ActivityRequest{
			Name: "a", TaskId: int32(i), WorkflowInstance: &protos.WorkflowInstance{InstanceId: fmt.Sprintf("w-%d", i)},
		}}}
	}
}

// Hello implements protos.TaskHubSidecarServiceServer.
func (h *hub) Hello(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// GetWorkItems implements protos.TaskHubSidecarServiceServer.
func (h *hub) GetWorkItems(
	_ *protos.GetWorkItemsRequest, stream protos.TaskHubSidecarService_GetWorkItemsServer,
) error {
	for {
		select {
		case item := <-h.items:
			if err := stream.Send(item); err != nil {
				return err
			}
		case <-stream.Context().Done():
			return nil
		}
	}
}

// CompleteActivityTask implements protos.TaskHubSidecarServiceServer.
func (h *hub) CompleteActivityTask(
	context.Context, *protos.ActivityResponse,
) (*protos.CompleteTaskResponse, error) {
	if h.refuse.Add(-1) >= 0 {
		h.refused.Add(1)
		return nil, errors.New("refused")
	}
	h.accepted.Add(1)
	return &protos.CompleteTaskResponse{}, nil
}

// eventually waits until the condition holds.
func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 20*time.Second, time.Millisecond)
}

// never checks that the condition does not hold for a while.
func never(t *testing.T, condition func() bool) {
	t.Helper()
	require.Never(t, condition, 500*time.Millisecond, 10*time.Millisecond)
}
