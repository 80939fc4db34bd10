// Command registry serves the lab's images: it packs the sample app and pause into images, pushes them to a registry
// of its own, prints their references as JSON on one line, and serves until it is stopped.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to serve on: it is also the images' host name")
	root := flag.String("root", "", "folder for the images' blobs")
	web := flag.String("web", "", "path of the sample app's binary")
	pause := flag.String("pause", "", "path of the pause binary")
	var layouts folders
	flag.Var(&layouts, "layout", "an OCI layout whose images are served, too; may be repeated")
	flag.Parse()
	if err := run(*listen, *root, *web, *pause, layouts); err != nil {
		log.Fatalf("registry: %v", err)
	}
}

func run(listen, root, web, pause string, layouts folders) error {
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	handler := registry.New(
		registry.WithBlobHandler(registry.NewDiskBlobHandler(root)),
		registry.Logger(log.New(io.Discard, "", 0)),
	)
	failed := make(chan error, 1)
	go func() { failed <- http.Serve(listener, closed(handler)) }()

	pushed, err := push(listener.Addr().String(), web, pause)
	if err != nil {
		return err
	}
	for _, folder := range layouts {
		if err := pushLayout(listener.Addr().String(), root, folder, pushed); err != nil {
			return fmt.Errorf("%s: %w", folder, err)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(pushed); err != nil {
		return err
	}
	return <-failed
}

// closed keeps the repositories below private/ from everyone, as a registry does that wants a pull secret.
func closed(open http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v2/private/") {
			w.Header().Set("WWW-Authenticate", `Basic realm="lab"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`, http.StatusUnauthorized)
			return
		}
		open.ServeHTTP(w, r)
	})
}

// push stores every variant and answers name -> repository:tag@digest.
func push(host, web, pause string) (map[string]string, error) {
	pushed := map[string]string{}
	for _, variant := range variants(web, pause) {
		image, err := variant.build()
		if err != nil {
			return nil, fmt.Errorf("building %s: %w", variant.name, err)
		}
		reference, err := pushOne(host, variant, image)
		if err != nil {
			return nil, fmt.Errorf("pushing %s: %w", variant.name, err)
		}
		pushed[variant.name] = reference
	}
	return pushed, nil
}

func pushOne(host string, variant variant, image v1.Image) (string, error) {
	tag, err := name.NewTag(fmt.Sprintf("%s/%s:%s", host, variant.repository, variant.tag), name.Insecure)
	if err != nil {
		return "", err
	}
	if err := remote.Write(tag, image); err != nil {
		return "", err
	}
	digest, err := image.Digest()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s@%s", tag.Name(), digest), nil
}
