// SPDX-License-Identifier: GPL-2.0-or-later
/* generated-sdbus.cc - the client in C++, with what sdbus-c++-xml2cpp makes: generated.py. */
#include <future>
#include <iostream>
#include <sys/mman.h>
#include <unistd.h>
#include <sdbus-c++/sdbus-c++.h>
#if SDBUS_MAJOR >= 2
#define NAME(x) sdbus::ServiceName{x}
#define PATH(x) sdbus::ObjectPath{x}
#else
#define NAME(x) std::string{x}
#define PATH(x) std::string{x}
#endif

struct Manager : sdbus::ProxyInterfaces<org::rdmareg::Registry1::Manager_proxy> {
	std::promise<uint64_t> added;
	Manager() : ProxyInterfaces(NAME("org.rdmareg.Registry1"), PATH("/org/rdmareg/Registry1")) { registerProxy(); }
	~Manager() { unregisterProxy(); }
	void onRegionAdded(const uint64_t &id, const sdbus::ObjectPath &) override { added.set_value(id); }
	void onRegionRemoved(const uint64_t &, const sdbus::ObjectPath &, const std::string &, const std::string &) override {}
	void onHistoryAdded(const uint64_t &) override {}
	void onSessionAdded(const sdbus::ObjectPath &) override {}
	void onSessionRemoved(const sdbus::ObjectPath &, const std::string &) override {}
	void onSignalsLost(const uint64_t &) override {}
};

struct Region : sdbus::ProxyInterfaces<org::rdmareg::Registry1::Region_proxy> {
	explicit Region(const sdbus::ObjectPath &path) : ProxyInterfaces(NAME("org.rdmareg.Registry1"), PATH(path)) { registerProxy(); }
	~Region() { unregisterProxy(); }
	void onRevocationRequested(const uint64_t &, const std::string &, const uint64_t &, const uint64_t &, const uint64_t &,
				   const std::map<std::string, sdbus::Variant> &) override {}
	void onRevocationSettled(const uint64_t &, const std::string &, const uint64_t &) override {}
};

int main()
{
	std::map<std::string, sdbus::Variant> none;
	Manager manager;
	auto status = manager.GetStatus();
	int fd = memfd_create("sdbus", MFD_CLOEXEC);

	std::cout << "form " << status.at("form").get<uint32_t>() << ", regions " << status.at("regions").get<uint32_t>() << std::endl;
	if (fd < 0 || ftruncate(fd, 4096))
		return 1;
	manager.Subscribe();
	auto [id, path, properties] = manager.RegisterRegion(sdbus::UnixFd{fd}, 0, 0, "rw", none);
	if (manager.added.get_future().get() != id)
		return 1;
	Region region{path};
	std::cout << "region of " << region.Length() << " bytes, " << manager.ListRegions(none).size() << " listed, policy " << region.Policy() << std::endl;
	std::cout << "ticket " << region.Export(none).substr(0, 10) << std::endl;
	try {
		region.Prefetch(8192, 0, none);
		return 1;
	} catch (const sdbus::Error &e) {
		std::cout << std::string{e.getName()} << std::endl;
	}
	region.Release();
	std::cout << "released" << std::endl;
	return 0;
}
