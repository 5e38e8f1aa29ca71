// Package failpoint lets tests kill a process at a named step of its work. It is empty but in builds with the
// tag "failpoints", which only the chaos tests make.
//
// There, a step is armed by a file of its name in the directory FAILPOINT_DIR: the process that reaches
// the step removes the file and kills itself. Removing decides between processes, so each file kills one.
package failpoint
