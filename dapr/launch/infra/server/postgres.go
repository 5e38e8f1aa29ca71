package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/toolchain"
)

// postgres prepares a server with the default durability: fsync and synchronous commits are on.
func postgres(ctx context.Context, s Settings) (Server, error) {
	bin, err := postgresPrograms()
	if err != nil {
		return Server{}, err
	}
	data, password := filepath.Join(s.Dir, "postgres"), s.PostgresPassword
	if err := createCluster(ctx, bin, data, password); err != nil {
		return Server{}, err
	}
	if err := removeStaleLock(data); err != nil {
		return Server{}, err
	}
	path, prefix, err := postgresUser(data)
	if err != nil {
		return Server{}, err
	}
	port := strconv.Itoa(s.port(portPostgres))
	url := fmt.Sprintf("postgres://haberdash:%s@%s/haberdash?sslmode=disable", password, s.address(portPostgres))
	return Server{
		Args: append(prefix,
			filepath.Join(bin, "postgres"), "-D", path,
			"-c", "listen_addresses="+s.Address, "-c", "port="+port,
			// Three replicas of each app, and as many again during a rollout: see components/state/postgres.
			"-c", "max_connections=300",
			"-c", "unix_socket_directories=", // no socket: its path may have at most 107 bytes, and no client uses it
		),
		Stop:  syscall.SIGINT, // SIGTERM would wait until every client has disconnected
		Ports: map[string]int{"postgres": s.port(portPostgres)},
		Healthy: func(ctx context.Context) bool {
			ready := exec.CommandContext(ctx, filepath.Join(bin, "pg_isready"), "-q", "-h", s.Address, "-p", port)
			return ready.Run() == nil
		},
		Vars: map[string]string{"POSTGRES_CONNECTION": url},
	}, nil
}

// postgresPrograms returns the directory of the programs of the newest PostgreSQL. Debian does not put them on the
// PATH.
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
	path, err := toolchain.Installed("initdb", "postgresql")
	return filepath.Dir(path), err
}

var debianPostgres = "/usr/lib/postgresql" // a variable for tests

// postgresUser makes PostgreSQL's programs run as the user postgres if this program runs as root, which they refuse.
// That user becomes the owner of the directory dir, but may not be allowed to reach it, such as in a checkout below
// /root. So prefix is the begin of a command line that opens the directory as file 3 before it changes the user, and
// path is that file.
func postgresUser(dir string) (path string, prefix []string, err error) {
	if os.Getuid() != 0 {
		return dir, nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return "", nil, fmt.Errorf("PostgreSQL does not run as root, and there is no user postgres: "+
			"apt-get install postgresql, or use another user: %w", err)
	}
	setpriv, err := toolchain.Installed("setpriv", "util-linux")
	if err != nil {
		return "", nil, err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return "", nil, err
	}
	return "/proc/self/fd/3", []string{
		"/bin/sh", "-c", `exec 3<"$0" && cd / && exec "$@"`, dir,
		// At a change of user, the kernel forgets that it has to kill the child when its parent dies; setpriv keeps that.
		setpriv, "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=keep",
	}, os.Chown(dir, uid, -1)
}

// removeStaleLock kills what is left of a server that was killed together with its launcher, and removes its lock file.
// Otherwise PostgreSQL could take the pid in the file for a running server: it may be a zombie, or belong to another
// process by now. No launcher runs a server on the directory, because the caller holds the lock of the run directory.
func removeStaleLock(data string) error {
	lock := filepath.Join(data, "postmaster.pid")
	if _, err := os.Stat(lock); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	dir, err := filepath.EvalSymlinks(data)
	if err != nil {
		return err
	}
	left, err := process.InDirectory(dir) // the server and its backends
	if err != nil {
		return err
	}
	if left = process.KillAll(left, "", 5*time.Second); len(left) > 0 {
		return fmt.Errorf("cannot stop PostgreSQL: %v", left)
	}
	return os.Remove(lock)
}

// createCluster creates the data directory and the database at the first start. Until it is complete, the directory has
// another name.
func createCluster(ctx context.Context, bin, data, password string) error {
	if _, err := os.Stat(data); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	incomplete := data + ".new"
	if err := os.RemoveAll(incomplete); err != nil {
		return err
	}
	if err := os.MkdirAll(incomplete, 0o700); err != nil {
		return err
	}
	path, prefix, err := postgresUser(incomplete)
	if err != nil {
		return err
	}
	// Clients come over TCP with a password, from wherever the server listens. There is no socket on which "peer" could
	// be used.
	err = process.Run(ctx, "", append(prefix, filepath.Join(bin, "initdb"), "-D", path, "-U", "haberdash",
		"--auth-host=scram-sha-256", "--auth-local=peer", "-E", "UTF8", "--no-locale")...)
	if err != nil {
		return err
	}
	if err := appendTo(filepath.Join(incomplete, "pg_hba.conf"), "host all all all scram-sha-256\n"); err != nil {
		return err
	}
	// Before the first start, so that no client finds a server without password and database.
	err = process.Run(ctx, "ALTER ROLE haberdash PASSWORD '"+password+"'\nCREATE DATABASE haberdash\n",
		append(prefix, filepath.Join(bin, "postgres"), "--single", "-D", path, "postgres")...)
	if err != nil {
		return err
	}
	return os.Rename(incomplete, data)
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
