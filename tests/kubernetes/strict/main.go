// Command strict reads Kubernetes documents from standard input, each into the Go type of its kind, and refuses what
// that type does not know.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

func main() {
	documents := yaml.NewDocumentDecoder(os.Stdin)
	buffer := make([]byte, 16<<20)
	for count := 0; ; {
		size, err := documents.Read(buffer)
		if errors.Is(err, io.EOF) {
			fmt.Println(count)
			return
		}
		if err == nil && isEmpty(buffer[:size]) {
			continue
		}
		count++
		if err == nil {
			err = decode(buffer[:size])
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "document %d: %v\n", count, err)
			os.Exit(1)
		}
	}
}

// isEmpty says whether there is nothing but comments, as before the first line of dashes.
func isEmpty(document []byte) bool {
	content, err := strict.YAMLToJSON(document)
	return err == nil && string(content) == "null"
}

func decode(document []byte) error {
	var kind struct{ APIVersion, Kind string }
	if err := strict.Unmarshal(document, &kind); err != nil {
		return err
	}
	switch kind.APIVersion + " " + kind.Kind {
	case "monitoring.coreos.com/v1 PrometheusRule":
		return strict.UnmarshalStrict(document, &monitoring.PrometheusRule{})
	case "monitoring.coreos.com/v1 ServiceMonitor":
		return strict.UnmarshalStrict(document, &monitoring.ServiceMonitor{})
	}
	return fmt.Errorf("no type for %q %q", kind.APIVersion, kind.Kind)
}
