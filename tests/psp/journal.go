package psp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// journal is an append-only file of entries, one JSON object a line. Entries that come while one batch is
// being synced make the next batch.
type journal struct {
	file *os.File

	mu     sync.Mutex
	ready  sync.Cond
	batch  bytes.Buffer
	taken  int64 // entries appended
	synced int64 // entries on disk
	busy   bool  // somebody syncs
	err    error // of the first write that failed; nothing is acknowledged after it
}

// openJournal reads what there is into apply. A last line without an end was never acknowledged, and goes.
func openJournal(dir string, apply func(entry)) (*journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, "journal.ndjson"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	good, err := replay(file, apply)
	if err == nil {
		err = file.Truncate(good)
	}
	if err == nil {
		_, err = file.Seek(good, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("journal %s: %w", file.Name(), err), file.Close())
	}
	j := &journal{file: file}
	j.ready.L = &j.mu
	return j, nil
}

// replay gives the length of the whole lines.
func replay(file io.Reader, apply func(entry)) (good int64, err error) {
	r := bufio.NewReader(file)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return good, nil
		} else if err != nil {
			return good, err
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return good, fmt.Errorf("at byte %d: %w", good, err)
		}
		apply(e)
		good += int64(len(line))
	}
}

func (j *journal) append(e entry) {
	line, err := json.Marshal(e)
	if err != nil {
		panic(err) // of our own types
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.batch.Write(append(line, '\n'))
	j.taken++
}

// barrier gives a wait until all that was appended so far is on disk.
func (j *journal) barrier() func() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	upTo := j.taken
	return func() error { return j.wait(upTo) }
}

func (j *journal) wait(upTo int64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.synced < upTo && j.err == nil {
		if j.busy {
			j.ready.Wait()
			continue
		}
		j.sync()
	}
	return j.err
}

// sync writes the batch with the lock released meanwhile. The caller holds it.
func (j *journal) sync() {
	batch, taken := bytes.Clone(j.batch.Bytes()), j.taken
	j.batch.Reset()
	j.busy = true
	j.mu.Unlock()
	_, err := j.file.Write(batch)
	if err == nil {
		err = j.file.Sync()
	}
	j.mu.Lock()
	j.busy = false
	if j.err == nil {
		j.err = err
	}
	if err == nil {
		j.synced = taken
	}
	j.ready.Broadcast()
}

func (j *journal) close() error {
	return errors.Join(j.barrier()(), j.file.Close())
}
