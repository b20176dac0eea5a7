/** What runs beside the page: erasure coding, compression, key encapsulation. */
import 'epione/client/worker'
