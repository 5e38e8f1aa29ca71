// Package projection keeps read models of a commit log: documents that are made from the events of the log and read
// instead of it.
//
// A Projection applies a pure function to each event and stores the documents that it changes, shortly after the
// commit. Each document names the last event that it includes, so an event that comes again changes nothing: after a
// crash between two writes, or when several replicas run the same projection. Projection.Wait lets a process read what
// it has just committed.
//
// Lists is a projection of lists of any length. Its entries are index events, which are not published
// (commitlog.Tx.EmitInternal). 64 entries are a page, and each page is one document, so any page of a list is read with
// one call of the store. Lists.Read includes what has just been committed.
//
// Documents can be lost: Rebuild makes them from the log again, byte for byte, and Audit compares them with it.
package projection
