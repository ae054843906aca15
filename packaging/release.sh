#!/usr/bin/env bash
# Builds static programs that anyone can build again, byte by byte, and SHA256SUMS of them.
#   packaging/release.sh OUT [GOOS/GOARCH...]
# Nodes are meant for Linux; for macOS and Windows it is the same program, there for verifying and signing.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$1
shift
[ $# -gt 0 ] || set -- linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64
mkdir -p "$out"
out=$(cd "$out" && pwd)
version=$(sed -n 's/^const Version = "\(.*\)"$/\1/p' node/metrics.go)
names=()
for target in "$@"; do
  os=${target%/*} arch=${target#*/}
  name=milepost-$version-$os-$arch
  [ "$os" != windows ] || name=$name.exe
  # No paths, no version control, no C, and no build id: nothing of this machine is in it.
  CGO_ENABLED=0 GOOS=$os GOARCH=$arch GOAMD64=v1 GOARM64=v8.0 GOFLAGS=-mod=readonly GOTOOLCHAIN=local \
    "${GO:-go}" build -trimpath -buildvcs=false -ldflags "-s -w -buildid=" -o "$out/$name" ./cmd/milepost
  names+=("$name")
done
cd "$out"
sha256sum "${names[@]}" | sort -k 2 > SHA256SUMS
cat SHA256SUMS
