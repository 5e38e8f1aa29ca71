package observe

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"haberdash/dapr/launch/observe"
	"haberdash/dapr/launch/ports"
	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/supervisor"
	"haberdash/dapr/launch/toolchain"
)

// smallDisk is a file system of its own that only a node exporter sees, in a mount namespace. Both end together.
type smallDisk struct {
	path  string // of a file on it, as this process sees it
	empty func() // ends what fills it
}

// exporterOnSmallDisk mounts a small file system and becomes the node exporter that reports it and no other. The
// exporter would read the mounts of process 1, which has another namespace, so it finds this one in that place. $1 is
// an empty directory, and $2 the address.
const exporterOnSmallDisk = `set -eu
PATH="$PATH:/usr/sbin:/sbin"
mkdir -p "$1/disk" "$1/proc/1"
mount -t tmpfs -o size=16m none "$1/disk"
for list in mounts mountinfo; do # an exporter of 2023 reads the first, a newer one the second
	grep " $1/disk " /proc/self/$list >"$1/proc/1/$list"
done
exec prometheus-node-exporter --web.listen-address="$2" --path.procfs="$1/proc" --log.level=warn \
	--collector.disable-defaults --collector.filesystem
`

const (
	diskSize  = 16 << 20
	nearlyAll = diskSize * 96 / 100
	oneWrite  = 4 << 10
)

// mountDisk starts the node exporter, and tells Prometheus of it.
func (s *stage) mountDisk() *smallDisk {
	s.t.Helper()
	dir := s.t.TempDir()
	root, err := toolchain.FindRoot()
	require.NoError(s.t, err)
	block, err := ports.Reserve()
	require.NoError(s.t, err)
	s.t.Cleanup(block.Release)
	address := net.JoinHostPort("127.0.0.1", fmt.Sprint(block.Base))
	set, err := supervisor.NewSet(s.t.Context(), root, io.Discard)
	require.NoError(s.t, err)
	args := []string{"unshare", "--mount"}
	if os.Geteuid() != 0 {
		args = append(args, "--user", "--map-root-user")
	}
	const name = "small-disk"
	require.NoError(s.t, set.Start(supervisor.Spec{
		Name: name, Kind: process.KindBacking, Healthy: supervisor.HTTPCheck(block.Base, "/metrics"),
		Command: process.Command{
			Args: append(args, "sh", "-c", exporterOnSmallDisk, "sh", dir, address),
			Env:  process.Environment(nil), Dir: dir, Log: filepath.Join(dir, "log"), Grace: time.Second,
		},
	}))
	s.t.Cleanup(func() { set.TerminateAll(0, []string{name}) })
	require.NoError(s.t, set.Await(s.t.Context(), nil, name))
	targets := []map[string]any{{
		"targets": []string{address}, "labels": map[string]string{"app": name, "kind": "machine", "instance": name},
	}}
	text, err := json.Marshal(targets)
	require.NoError(s.t, err)
	path := filepath.Join(observe.Dir(s.runDir), "targets", name+".json")
	require.NoError(s.t, os.WriteFile(path, text, 0o600))
	p, _ := set.Process(name)
	return &smallDisk{path: filepath.Join("/proc", fmt.Sprint(p.PID), "root", dir, "disk", "file")}
}

// fillDisk fills a disk to 96 %, and then on, a page of memory each second.
func (s *stage) fillDisk() {
	s.disk = s.mountDisk()
	s.waitFor(`node_filesystem_size_bytes{instance="small-disk",mountpoint=~".+/disk"}`, diskSize)
	f, err := os.Create(s.disk.path)
	require.NoError(s.t, err)
	_, err = f.Write(make([]byte, nearlyAll))
	require.NoError(s.t, err)
	done := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		defer f.Close()
		for {
			select {
			case <-done:
				return
			case <-time.After(time.Second):
				_, _ = f.Write(make([]byte, oneWrite)) // fails when the disk is full, as it would for others
			}
		}
	})
	s.disk.empty = sync.OnceFunc(func() {
		close(done)
		work.Wait()
	})
	s.t.Cleanup(s.disk.empty)
}

func (s *stage) clearDisk() {
	s.disk.empty()
	require.NoError(s.t, os.Remove(s.disk.path))
}
