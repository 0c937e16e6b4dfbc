//go:build tools

// Package tools pins the programs that native/build.py builds from this module.
package tools

import _ "github.com/grafana/loki/v3/cmd/loki"
