// Command dapr is Dapr's own CLI at the version this module pins. It has a module of its own because
// it needs an older components-contrib than the sidecar.
package main

import "github.com/dapr/cli/cmd"

func main() { cmd.Execute("1.16.5", "1.0") }
