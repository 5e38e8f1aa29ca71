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

// journal is an append-only file of entries, with one JSON object on each line. Entries that arrive while a batch is
// written to disk form the next batch.
type journal struct {
	file *os.File

	mu       sync.Mutex
	ready    sync.Cond
	batch    bytes.Buffer
	appended int64 // number of appended entries
	synced   int64 // number of entries on disk
	syncing  bool  // whether a batch is being written
	err      error // the error of the first failed write; later entries are not acknowledged
}

// openJournal opens the journal and passes its entries to apply. It removes an incomplete last line, which was never
// acknowledged.
func openJournal(dir string, apply func(entry)) (*journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, "journal.ndjson"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	length, err := replay(file, apply)
	if err == nil {
		err = file.Truncate(length)
	}
	if err == nil {
		_, err = file.Seek(length, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("journal %s: %w", file.Name(), err), file.Close())
	}
	j := &journal{file: file}
	j.ready.L = &j.mu
	return j, nil
}

// replay passes the entries of a journal to apply, and returns the length of its complete lines in bytes.
func replay(file io.Reader, apply func(entry)) (length int64, err error) {
	r := bufio.NewReader(file)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return length, nil
		} else if err != nil {
			return length, err
		}
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			return length, fmt.Errorf("at byte %d: %w", length, err)
		}
		apply(e)
		length += int64(len(line))
	}
}

func (j *journal) append(e entry) {
	line, err := json.Marshal(e)
	if err != nil {
		panic(err) // our own types can always be encoded
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.batch.Write(append(line, '\n'))
	j.appended++
}

// barrier returns a function that waits until all entries appended so far are on disk.
func (j *journal) barrier() func() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	upTo := j.appended
	return func() error { return j.wait(upTo) }
}

func (j *journal) wait(upTo int64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.synced < upTo && j.err == nil {
		if j.syncing {
			j.ready.Wait()
			continue
		}
		j.sync()
	}
	return j.err
}

// sync writes the batch to disk. The caller holds the lock; sync releases it while it writes.
func (j *journal) sync() {
	batch, appended := bytes.Clone(j.batch.Bytes()), j.appended
	j.batch.Reset()
	j.syncing = true
	j.mu.Unlock()
	_, err := j.file.Write(batch)
	if err == nil {
		err = j.file.Sync()
	}
	j.mu.Lock()
	j.syncing = false
	if j.err == nil {
		j.err = err
	}
	if err == nil {
		j.synced = appended
	}
	j.ready.Broadcast()
}

func (j *journal) close() error {
	return errors.Join(j.barrier()(), j.file.Close())
}
