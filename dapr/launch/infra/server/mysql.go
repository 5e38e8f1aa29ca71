package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"haberdash/dapr/launch/process"
	"haberdash/dapr/launch/toolchain"
)

// mysql prepares MariaDB with the default durability: each commit is on disk before its answer.
func mysql(ctx context.Context, s Settings) (Server, error) {
	bin, err := toolchain.Installed("mariadbd", "mariadb-server")
	if err != nil {
		return Server{}, err
	}
	client, err := toolchain.Installed("mariadb", "mariadb-client")
	if err != nil {
		return Server{}, err
	}
	data := filepath.Join(s.Dir, "mysql")
	// A server removes the temporary tables that it finds when it starts, and would also remove those of other servers.
	temporary := filepath.Join(s.Dir, "mysql.tmp")
	if err := os.MkdirAll(temporary, 0o700); err != nil {
		return Server{}, err
	}
	if err := createMySQL(ctx, data, temporary); err != nil {
		return Server{}, err
	}
	start, err := writeMySQLStart(s)
	if err != nil {
		return Server{}, err
	}
	port := strconv.Itoa(s.port(portMySQL))
	return Server{
		Args: []string{
			bin, "--no-defaults", "--datadir=" + data, "--tmpdir=" + temporary, "--user=" + userName(),
			"--bind-address=" + s.Address, "--port=" + port,
			"--socket=", // none: its path may have at most 107 bytes, and no client uses it
			"--pid-file=" + filepath.Join(data, "server.pid"), "--init-file=" + start, "--skip-name-resolve",
			"--character-set-server=utf8mb4", "--collation-server=utf8mb4_bin",
			"--max-connections=500", "--max-allowed-packet=64M",
			"--event-scheduler=ON",
			// Without gap locks and locks of counters, clients that create keys at the same moment do not wait for each other,
			// and none fails with a deadlock.
			"--transaction-isolation=READ-COMMITTED", "--innodb-autoinc-lock-mode=2",
			"--skip-log-bin",
		},
		Ports: map[string]int{"mysql": s.port(portMySQL)},
		Healthy: func(ctx context.Context) bool {
			ask := exec.CommandContext(ctx, client, "--no-defaults", "--protocol=tcp", "--host="+s.Address, "--port="+port,
				"--user=haberdash", "--execute=SELECT 1 FROM state LIMIT 1", "haberdash")
			ask.Env = append(os.Environ(), "MYSQL_PWD="+s.MySQLPassword)
			return ask.Run() == nil
		},
		Vars: map[string]string{
			"MYSQL_CONNECTION": fmt.Sprintf("haberdash:%s@tcp(%s)/?allowNativePasswords=true&maxAllowedPacket=0",
				s.MySQLPassword, s.address(portMySQL)),
		},
	}, nil
}

// userName is the user that MariaDB runs as: the one of this program, which it otherwise refuses to be if that is root.
func userName() string {
	if os.Getuid() == 0 {
		return "root"
	}
	return os.Getenv("USER")
}

// createMySQL creates the data directory at the first start. Until it is complete, the directory has another name.
func createMySQL(ctx context.Context, data, temporary string) error {
	if _, err := os.Stat(data); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	install, err := toolchain.Installed("mariadb-install-db", "mariadb-server")
	if err != nil {
		return err
	}
	incomplete := data + ".new"
	if err := os.RemoveAll(incomplete); err != nil {
		return err
	}
	// The grants of each start are those of writeMySQLStart.
	err = process.Run(ctx, "", install, "--no-defaults", "--datadir="+incomplete, "--tmpdir="+temporary,
		"--user="+userName(), "--auth-root-authentication-method=socket", "--skip-test-db", "--skip-name-resolve")
	if err != nil {
		return err
	}
	return os.Rename(incomplete, data)
}

// writeMySQLStart writes what the server executes at each start, before it accepts clients: its database, the user, and
// the tables of the components. The file has the password, so only the owner may read it.
func writeMySQLStart(s Settings) (path string, err error) {
	schema, err := os.ReadFile(filepath.Join(s.Root, "components", "state", "mysql", "schema.sql"))
	if err != nil {
		return "", err
	}
	var text strings.Builder
	text.WriteString("CREATE DATABASE IF NOT EXISTS haberdash;\n")
	fmt.Fprintf(&text, "CREATE OR REPLACE USER haberdash IDENTIFIED BY '%s';\n", s.MySQLPassword)
	text.WriteString("GRANT ALL ON haberdash.* TO haberdash;\nUSE haberdash;\n")
	text.WriteString(oneLineStatements(string(schema)))
	path = filepath.Join(s.Dir, "mysql.sql")
	return path, os.WriteFile(path, []byte(text.String()), 0o600)
}

// oneLineStatements writes each statement of an SQL text into one line, as the server wants them in the file of a
// start, and leaves out comments.
func oneLineStatements(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "--")
		line = strings.TrimSpace(line)
		b.WriteString(line)
		switch {
		case strings.HasSuffix(line, ";"):
			b.WriteString("\n")
		case line != "":
			b.WriteString(" ")
		}
	}
	return b.String()
}
