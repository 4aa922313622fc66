# The images of tests and demo, made of this machine's own Debian files; no registry is asked.
#
#   strongbox/busybox:1     busybox, users root and app (10001)
#   strongbox/app:1         the same, run as 10001:10001
#   strongbox/pause:1       the same, waiting until it is ended: holds a group's network
#   strongbox/tls:1         busybox, openssl, psql
#   strongbox/timeline:1.4  busybox, openssl and the demo's service, run as app
# shellcheck shell=bash

RECIPE_LABEL=internal.strongbox.recipe
ALL_IMAGES=(strongbox/busybox:1 strongbox/app:1 strongbox/pause:1 strongbox/tls:1 strongbox/timeline:1.4)

ensure_images() {
  local recipe image made=()
  DOCKER=$(docker_cli) || die "there is no docker client that this engine accepts"
  recipe=$(image_recipe)
  for image in "${ALL_IMAGES[@]}"; do
    [ "$(recipe_of "$image")" = "$recipe" ] && continue
    make_image "$image" "$recipe"
    made+=("$image")
  done
  if [ ${#made[@]} = 0 ]; then say "images: all there"; else say "images: made ${made[*]}"; fi
}

# Changes when this file, a file that goes in, or one of the programs changes.
image_recipe() {
  cat "$ROOT/scripts/parts/images.sh" "$ROOT"/scripts/images/* "$(busybox_static)" "$(command -v openssl)" "$(pg_bin psql)" |
    sha256sum | cut -c1-16
}

recipe_of() { "$DOCKER" image inspect -f "{{index .Config.Labels \"$RECIPE_LABEL\"}}" "$1" 2>/dev/null || true; }

make_image() {
  local image=$1 root old changes=(--change "LABEL $RECIPE_LABEL=$2" --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin')
  root=$(mktemp -d)
  chmod 0755 "$root"
  old=$("$DOCKER" image inspect -f '{{.Id}}' "$image" 2>/dev/null || true)
  lay_base "$root"
  case $image in
    strongbox/busybox:1) changes+=(--change 'CMD ["sh"]') ;;
    strongbox/app:1) changes+=(--change 'CMD ["sh"]' --change 'USER 10001:10001') ;;
    strongbox/pause:1) changes+=(--change 'CMD ["tail","-f","/dev/null"]') ;;
    strongbox/tls:1)
      lay_openssl "$root"
      lay_program "$root" "$(pg_bin psql)"
      changes+=(--change 'CMD ["sh"]')
      ;;
    strongbox/timeline:1.4)
      lay_openssl "$root"
      install -D -m 0755 "$ROOT/scripts/images/timeline" "$root/usr/local/bin/timeline"
      changes+=(--change 'CMD ["/usr/local/bin/timeline"]' --change 'USER app')
      ;;
    *) die "no recipe for image $image" ;;
  esac
  tar -C "$root" --owner=0 --group=0 --sort=name -cf - . | "$DOCKER" import "${changes[@]}" - "$image" >/dev/null ||
    die "the engine does not take image $image"
  rm -rf "$root"
  # The one it replaces has lost its name; it stays only while a container uses it.
  [ -z "$old" ] || "$DOCKER" image rm "$old" >/dev/null 2>&1 || true
}

lay_base() {
  local root=$1 applet
  mkdir -p "$root"/{bin,dev,etc,home/app,proc,root,run,sys,tmp,usr/bin,usr/local/bin,var/tmp}
  chmod 1777 "$root/tmp" "$root/var/tmp"
  install -m 0755 "$(busybox_static)" "$root/bin/busybox"
  for applet in $("$root/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
  done
  printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'app:x:10001:10001:app:/home/app:/bin/sh' \
    'nobody:x:65534:65534:nobody:/:/bin/false' >"$root/etc/passwd"
  printf '%s\n' 'root:x:0:' 'app:x:10001:' 'nogroup:x:65534:' >"$root/etc/group"
}

lay_openssl() {
  local root=$1 modules
  rm -f "$root/bin/openssl" # not an applet today; busybox may gain one
  lay_program "$root" "$(command -v openssl)"
  install -D -m 0644 /etc/ssl/openssl.cnf "$root/usr/lib/ssl/openssl.cnf"
  modules=$(find /usr/lib -maxdepth 2 -type d -name ossl-modules | head -n1)
  [ -z "$modules" ] || { mkdir -p "$root$modules" && cp "$modules"/*.so "$root$modules/"; }
}

# A program and the shared libraries that its loader would map, each at the path where the loader looks for it.
lay_program() {
  local root=$1 program=$2 library
  install -D -m 0755 "$program" "$root/usr/bin/${program##*/}"
  for library in $(ldd "$program" | grep -o '/[^ ]*'); do
    [ -e "$root$library" ] || install -D -m 0755 "$(readlink -f "$library")" "$root$library"
  done
}
