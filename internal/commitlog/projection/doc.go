// Package projection keeps read models of a commit log: documents that are made from the events of the log and read
// instead of it.
//
// A Projection applies a pure function to each event and stores the documents that it changes, shortly after the
// commit. Each document names the last event that it includes, so an event that comes again changes nothing: after a
// crash between two writes, or when several replicas run the same projection. Projection.Wait lets a process read what
// it has just committed.
//
// Lists is a projection of lists of any length. A page of 64 entries is one document, so any stretch of a list is read
// with one call of the store.
//
// Documents can be lost: Rebuild makes them from the log again, byte for byte, and Audit compares them with it.
package projection
