//go:build tools

// Package tools names the commands that the lab builds, so that `go mod tidy` keeps what they need.
package tools

import (
	_ "go.temporal.io/server/cmd/server"
	_ "go.temporal.io/server/cmd/tools/sql"
)
