package hasher_test

import (
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/apps/users/service/hasher"
)

// Only the threads that hash stand back, one a worker.
func TestWorkersStandBack(t *testing.T) {
	before := nicer(t)
	h, err := hasher.New(cheap, 2, 2)
	require.NoError(t, err)
	defer h.Close()
	require.Eventually(t, func() bool {
		now := nicer(t)
		for thread := range before { // of workers of before, which may not have ended yet
			delete(now, thread)
		}
		return len(now) == 2
	}, 5*time.Second, time.Millisecond)
}

// nicer are the threads of this process that stand further back than the caller's.
func nicer(t *testing.T) map[string]bool {
	own, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0) // 20 less the niceness: the raw call's
	require.NoError(t, err)
	tasks, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	threads := map[string]bool{}
	for _, task := range tasks {
		id, err := strconv.Atoi(task.Name())
		require.NoError(t, err)
		if p, err := syscall.Getpriority(syscall.PRIO_PROCESS, id); err == nil && p < own {
			threads[task.Name()] = true
		}
	}
	return threads
}
