// Package layout says where a log is stored: the keys of its commits, documents and cursors in the state store.
// Stored data outlives releases, so none of these keys ever changes.
package layout

import (
	"fmt"
	"net/url"
	"strconv"
)

// ReadAhead is how many keys one read of a log or of documents asks for.
const ReadAhead = 64

// CommitKey is the key of commit n of a log.
func CommitKey(log string, n uint64) string { return fmt.Sprintf("log/%s/%d", log, n) }

// DocumentKey is the key of an aggregate's document. documents is the log's name with the model's version, see
// Versioned. The id is escaped: a store accepts only printable ASCII without "||", and a SKU may be any text.
func DocumentKey(documents, id string) string { return "doc/" + documents + "/" + url.PathEscape(id) }

// CheckpointKey is the key of the checkpoint of documents.
func CheckpointKey(documents string) string { return "checkpoint/" + documents }

// PartialCheckpointKey is the key of a checkpoint that lacks some documents.
func PartialCheckpointKey(documents string) string { return "partial-checkpoint/" + documents }

// ProbeKey is the key of a value that tells whether a store accepts writes. Nobody reads it.
func ProbeKey(documents string) string { return "probe/" + documents }

// ProjectionKey is the key of a document of a projection, whose name includes its version.
func ProjectionKey(log, projection, key string) string {
	return "view/" + log + "/" + projection + "/" + key
}

// CursorKey is the key of the cursor of a follower of a log.
func CursorKey(log, follower string) string { return "cursor/" + log + "/" + follower }

// Versioned is the name of the documents of one version of their shape. Each version has documents of its own, so that
// an old and a new release work side by side, and the old one finds its documents again after a rollback.
func Versioned(name string, version int) string {
	if version <= 1 {
		return name
	}
	return name + ".v" + strconv.Itoa(version)
}
