package launch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	osuser "os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/shirou/gopsutil/v4/process"
)

// postgres keeps its defaults where they matter: fsync and synchronous commits are on.
func (i *Infra) postgres(ctx context.Context) (service, map[string]string, error) {
	bin, err := postgresPrograms()
	if err != nil {
		return service{}, nil, err
	}
	data, password := filepath.Join(i.opts.Dir, "postgres"), i.settings["POSTGRES_PASSWORD"]
	if err := makeCluster(ctx, bin, data, password); err != nil {
		return service{}, nil, err
	}
	if err := clearCrashed(data); err != nil {
		return service{}, nil, err
	}
	path, as, err := postgresUser(data)
	if err != nil {
		return service{}, nil, err
	}
	port := i.block.base + portPostgres
	url := fmt.Sprintf("postgres://haberdash:%s@%s/haberdash?sslmode=disable", password, i.at(portPostgres))
	return service{
		name: "postgres",
		args: append(as,
			filepath.Join(bin, "postgres"), "-D", path,
			"-c", "listen_addresses="+i.opts.Address, "-c", fmt.Sprintf("port=%d", port),
			"-c", "max_connections=300", // of three replicas an app, and as many again during a rollout: see components/state/postgres
			"-c", "unix_socket_directories=", // its path may be at most 107 bytes, and nobody needs one
		),
		ports: map[string]int{"postgres": port},
		healthy: func(ctx context.Context) bool {
			ready := exec.CommandContext(ctx, filepath.Join(bin, "pg_isready"), "-q", "-h", i.opts.Address, "-p", strconv.Itoa(port))
			return ready.Run() == nil
		},
		stop: syscall.SIGINT, // SIGTERM would wait for every client to leave
	}, map[string]string{"POSTGRES_CONNECTION": url}, nil
}

// postgresPrograms is the directory of the newest PostgreSQL. Debian has its programs off the PATH.
func postgresPrograms() (string, error) {
	newest, dir := 0, ""
	all, _ := filepath.Glob(filepath.Join(debianPostgres, "*", "bin", "initdb"))
	for _, path := range all {
		bin := filepath.Dir(path)
		if v, err := strconv.Atoi(filepath.Base(filepath.Dir(bin))); err == nil && v > newest {
			newest, dir = v, bin
		}
	}
	if dir != "" {
		return dir, nil
	}
	path, err := installed("initdb", "postgresql")
	return filepath.Dir(path), err
}

var debianPostgres = "/usr/lib/postgresql" // a variable for tests

// postgresUser is how its programs are run on a directory: PostgreSQL refuses to run as root, so there it is the
// user postgres, the directory's owner. That user may not be allowed to walk to it (a checkout below /root):
// a shell opens it as file 3 while it still may, and path is that file.
func postgresUser(dir string) (path string, as []string, err error) {
	if os.Getuid() != 0 {
		return dir, nil, nil
	}
	u, err := osuser.Lookup("postgres")
	if err != nil {
		return "", nil, fmt.Errorf("PostgreSQL does not run as root, and there is no user postgres: apt-get install postgresql, or be another user: %w", err)
	}
	setpriv, err := installed("setpriv", "util-linux")
	if err != nil {
		return "", nil, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return "", nil, err
	}
	// The kernel forgets at a change of user that a child is to die with its parent, unless it is told to keep it.
	return "/proc/self/fd/3", []string{
		"/bin/sh", "-c", `exec 3<"$0" && cd / && exec "$@"`, dir,
		setpriv, "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=keep",
	}, os.Chown(dir, uid, -1)
}

// clearCrashed ends what is left of a server that was killed together with its launcher, and removes its lock
// file: PostgreSQL takes the pid in it for a running server where that is a zombie that nobody has reaped, or
// has passed to another process. The caller holds the directory's lock, so no launcher has a server here.
func clearCrashed(data string) error {
	lock := filepath.Join(data, "postmaster.pid")
	if _, err := os.Stat(lock); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	real, err := filepath.EvalSymlinks(data)
	if err != nil {
		return err
	}
	all, err := process.Processes()
	if err != nil {
		return err
	}
	var left []Process
	for _, ps := range all {
		cwd, err := ps.Cwd() // of the server and of its backends: the data
		if err != nil || cwd != real {
			continue
		}
		if created, err := ps.CreateTime(); err == nil {
			left = append(left, Process{Name: "postgres", PID: int(ps.Pid), Created: created})
		}
	}
	if left = killAll(left, "", 5*time.Second); len(left) > 0 {
		return fmt.Errorf("cannot stop %v", left)
	}
	return os.Remove(lock)
}

// makeCluster makes the data directory with the database once. One that is half made has another name.
func makeCluster(ctx context.Context, bin, data, password string) error {
	if _, err := os.Stat(data); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	half := data + ".new"
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	if err := os.MkdirAll(half, 0o700); err != nil {
		return err
	}
	path, as, err := postgresUser(half)
	if err != nil {
		return err
	}
	// Over TCP a password, from wherever the server is told to listen; there is no socket for "peer" to be asked on.
	err = runOnce(ctx, "", append(as, filepath.Join(bin, "initdb"), "-D", path, "-U", "haberdash",
		"--auth-host=scram-sha-256", "--auth-local=peer", "-E", "UTF8", "--no-locale")...)
	if err != nil {
		return err
	}
	if err := appendTo(filepath.Join(half, "pg_hba.conf"), "host all all all scram-sha-256\n"); err != nil {
		return err
	}
	// Before the first start: nobody ever meets a server without them.
	err = runOnce(ctx, "ALTER ROLE haberdash PASSWORD '"+password+"'\nCREATE DATABASE haberdash\n",
		append(as, filepath.Join(bin, "postgres"), "--single", "-D", path, "postgres")...)
	if err != nil {
		return err
	}
	return os.Rename(half, data)
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
