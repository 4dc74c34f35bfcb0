// SPDX-License-Identifier: GPL-2.0-or-later
/* generated-glib.c - the client in C, with what gdbus-codegen makes: generated.py. */
#include <gio/gunixfdlist.h>
#include <sys/mman.h>
#include <unistd.h>
#define CHECK(x)                                                            \
	do {                                                                \
		if (!(x))                                                   \
			g_error("%s: %s", #x, error ? error->message : ""); \
	} while (0)

static void on_added(RdmaregManager *m, guint64 id, const char *path, gpointer loop)
{
	(void)m;
	(void)path;
	g_assert(id);
	g_main_loop_quit(loop);
}

int main(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
	g_autoptr(GDBusConnection) bus = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, &error);
	g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
	g_autoptr(GVariant) status = NULL, list = NULL, properties = NULL;
	g_autofree char *path = NULL, *ticket = NULL, *name = NULL;
	RdmaregManager *manager;
	RdmaregRegion *region;
	guint32 form = 0, regions = 7;
	guint64 id = 0, length = 0;
	int fd = memfd_create("glib", MFD_CLOEXEC);

	CHECK(bus && fd >= 0 && ftruncate(fd, 4096) == 0);
	manager = rdmareg_manager_proxy_new_sync(bus, G_DBUS_PROXY_FLAGS_NONE,
						 "org.rdmareg.Registry1", "/org/rdmareg/Registry1",
						 NULL, &error);
	CHECK(manager);
	CHECK(rdmareg_manager_call_get_status_sync(manager, &status, NULL, &error));
	CHECK(g_variant_lookup(status, "form", "u", &form) &&
	      g_variant_lookup(status, "regions", "u", &regions));
	g_print("form %u, regions %u\n", form, regions);
	CHECK(rdmareg_manager_call_subscribe_sync(manager, NULL, &error));
	g_signal_connect(manager, "region-added", G_CALLBACK(on_added), loop);
	CHECK(g_unix_fd_list_append(fds, fd, &error) == 0);
	/* the generated call takes no descriptors: the interface has no annotation for GLib alone */
	g_autoptr(GVariant) answer = g_dbus_proxy_call_with_unix_fd_list_sync(
		G_DBUS_PROXY(manager), "RegisterRegion",
		g_variant_new("(htts@a{sv})", 0, (guint64)0, (guint64)0, "rw",
			      g_variant_new("a{sv}", NULL)),
		G_DBUS_CALL_FLAGS_NONE, -1, fds, NULL, NULL, &error);
	CHECK(answer);
	g_variant_get(answer, "(to@a{sv})", &id, &path, &properties);
	g_main_loop_run(loop); /* until RegionAdded */
	CHECK(rdmareg_manager_call_list_regions_sync(manager, g_variant_new("a{sv}", NULL), &list,
						     NULL, &error));
	region = rdmareg_region_proxy_new_sync(bus, G_DBUS_PROXY_FLAGS_NONE,
					       "org.rdmareg.Registry1", path, NULL, &error);
	CHECK(region && rdmareg_region_get_id(region) == id);
	length = rdmareg_region_get_length(region);
	g_print("region of %" G_GUINT64_FORMAT " bytes, %zu listed, policy %s\n", length,
		g_variant_n_children(list), rdmareg_region_get_policy(region));
	CHECK(rdmareg_region_call_export_sync(region, g_variant_new("a{sv}", NULL), &ticket, NULL,
					      &error));
	g_print("ticket %.10s\n", ticket);
	g_assert(!rdmareg_region_call_prefetch_sync(region, 8192, 0, g_variant_new("a{sv}", NULL),
						    NULL, &error));
	name = g_dbus_error_get_remote_error(error);
	g_print("%s\n", name);
	g_clear_error(&error);
	CHECK(rdmareg_region_call_release_sync(region, NULL, &error));
	g_print("released\n");
	g_object_unref(region);
	g_object_unref(manager);
	return 0;
}
