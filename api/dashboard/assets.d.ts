/** Style sheets beside the parts that need them; the build puts them into files. */
declare module "*.css";
